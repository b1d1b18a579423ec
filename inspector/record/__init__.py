"""The record of every part: schema, rows, store (written) and reader (read), images on disk, the recorder's queue.

One process writes a store; any number read it. Nothing here knows the line: records come in, bookmarks go out.
"""
