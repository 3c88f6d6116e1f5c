"""Persona vectors: traits, their extraction, the layer choice, nulls, and where each state lies.

One layer convention: `layer` l (0-based) is the residual stream that leaves block l, unnormalised.
Hidden states and vectors have the shape [..., blocks, width], row l belonging to layer l; the
embeddings have no row. Steering at layer l adds alpha * v to what leaves block l, where v is row l
of the stored vector, at its own length.
"""
