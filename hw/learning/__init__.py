"""Digital parts of learning on devices: probability tables, counters of contrastive divergence, sampled neurons."""
