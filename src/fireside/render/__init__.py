"""A plan written as what can be started: processes, and later containers and manifests.

Belongs here: pure translation of a plan, a place and secrets into values and text. Does not belong here: decisions
about sizes, versions or configuration (``model``), and anything that touches the place (``backends``).
"""
