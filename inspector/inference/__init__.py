"""The model of the line: its card, the session that runs it, and what its numbers mean.

What it is: loading a model folder with every check, one run a part, and turning maps into defects.
What it is not: teaching (inspector.teach), or preparing the patch (inspector.vision.patch). The line thread runs it.
"""
