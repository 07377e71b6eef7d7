"""One file per step: ``r0001_…`` first."""
