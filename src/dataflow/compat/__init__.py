"""DataFlow's other names, so that its image pipelines and operator pages run as they stand.

Nothing here has behaviour of its own: each name is a thin front of ours.
"""
