"""Stage kinds, one module each: what a stage trains on. The module's name is the kind.

A kind's module holds `Options` (the stage's `data:` keys) and
`build(options, data, rng) -> list of chat rows`. Adding a module adds a kind.
"""
