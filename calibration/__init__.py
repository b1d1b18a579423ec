"""Tools a person runs to turn a camera into a measuring instrument; the line only reads what they write."""
