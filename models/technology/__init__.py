"""Technologies: circuits and their simulated results, standard cells, memories, unit energies; runs nothing."""
