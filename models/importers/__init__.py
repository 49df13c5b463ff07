"""Networks that another tool trained: read, folded into integers, and proved equal to their source."""
