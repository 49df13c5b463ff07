"""From a graph of operations to integer thresholds, proved equal."""
