"""Boards, chips and families of FPGAs."""
