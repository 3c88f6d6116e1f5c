"""A private Slurm cluster on one machine: to try the workflow on Slurm, and for its tests.

Run: python -m selfsame.cluster install | up FOLDER | down FOLDER       (docs/cluster.md)
"""
