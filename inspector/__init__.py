"""The inspection station."""

import logging

# Who uses the package says where its log goes; without a word of theirs, nowhere.
logging.getLogger(__name__).addHandler(logging.NullHandler())
