"""The shape of every table that steps exchange, as an explicit Arrow schema, in this one package.

One row per observation, keys first (experiment, model, chain, seed, probe, item, ...), units in the
columns' metadata. `columns` has what tables share, `parquet` reads and writes. Each other module
holds the tables that the same steps write and the same steps read: code is an input of a step, so a
step that neither writes nor reads a table must not import it (a test sees to it).

* texts: articles, self_texts, rows, references, dataset
* answers: prompts, samples, observations; relapse_samples, relapse_observations
* persona vectors: rollouts, judged_rollouts, persona_vectors, sweep_samples, steering_sweep,
  persona_answers, projections, persona_measures
* tables of all states: results, recovery, relapse
"""
