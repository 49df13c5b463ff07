"""Mutation testing: small mistakes in what is emitted and in what it is compared with; the tests must see each."""
