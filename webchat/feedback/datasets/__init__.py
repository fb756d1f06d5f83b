"""Files that trainers load untouched: trl, OpenAI, ShareGPT, CSV, Parquet, from accepted judgements.

writing      the folder: reads the records once, then writes file by file
rows         what a judgement or comparison becomes, and what is left out
own_words, groups, splits   what train and test may not share
scratch, alternating        rows on their way, and the order of those for KTO
shapes, parquet, card       other formats, and the data card
"""

from webchat.feedback.datasets.choosing import Chosen
from webchat.feedback.datasets.options import FORMATS, Exported, ExportError, ExportOptions, Format
from webchat.feedback.datasets.rows import LEFT_OUT
from webchat.feedback.datasets.writing import write_dataset

__all__ = [
    "FORMATS",
    "LEFT_OUT",
    "Chosen",
    "ExportError",
    "ExportOptions",
    "Exported",
    "Format",
    "write_dataset",
]
