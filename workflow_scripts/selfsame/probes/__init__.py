"""Probe kinds, one module each: a set of prompts with a read-out. The module's name is the kind.

A kind's module holds `Options` (the probe's keys), `build(name, options, data) -> prompts` and
`observe(name, options, samples) -> observations`. Adding a module adds a kind.
"""
