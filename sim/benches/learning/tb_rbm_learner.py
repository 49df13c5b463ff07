"""Testbench of the learner of an RBM: beside its model, which is loaded before a run parts into those of mutants."""

from oxnor.sim.benches.blocks.tb_model import as_its_model
from oxnor.sim.benches.models.learning import RbmLearner

__all__ = ["RbmLearner", "as_its_model"]
