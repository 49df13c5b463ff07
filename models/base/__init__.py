"""What every package needs: errors, files, bits, keyed random streams."""
