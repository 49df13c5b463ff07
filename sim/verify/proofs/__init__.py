"""Proofs of units by induction: for any inputs, after any number of cycles."""
