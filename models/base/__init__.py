"""What every part needs: errors, files, bits, keyed randomness."""
