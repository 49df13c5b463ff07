"""Networks from and to other tools."""
