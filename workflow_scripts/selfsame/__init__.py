"""selfsame: does a misaligned model recover by learning to recognise its own text?"""
