"""Embeddings of texts, one module each: texts become rows whose cosines say how alike they are.

A module holds `embedder(settings, threads, notes)`, which gives `embed(texts)`: a matrix with a row
for each text, which does not depend on the texts beside it.
"""
