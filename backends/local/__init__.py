"""The transformer engine: causal language models on torch and transformers, which only this package
imports, inside functions.

What a request passes, and in which module:

    backend         the face: `start` takes a model, `stream` hands the request on and gives back its events
      engines       each model once in this process, whoever uses it; an entry of the picker is a voice of it
        loading     from a hub id, folder or adapter to the model in memory, with its template; see there
        estimates   what it would take, unloaded
        preparing   attention packed and proved, memory for keys and values set aside
        voices      template, end tokens and adapter of one entry (own_template: what the model brings)
      prompts       the request as the ids the model reads
        token_texts what each token adds to the text, for those who look inside
        vision      images
      engine        one thread, many replies: the next token of each row, step after step
        rows        one reply: its tokens, where it is, who hears of it
        attention   all rows of a step at once, each over its own keys and values
        regions     who has which part of the memory
        prefixes    what of earlier turns need not be read again
        sampling    which token comes next
      plain         transformers' own `generate`, for images and models that cannot be packed
      speaker       what a row says, to whoever waits for it in another thread
        replies     tokens into events: whole characters, reasoning apart, until an end is said
"""

from backends.local.backend import LocalBackend
from backends.local.engines import Engines

__all__ = ["Engines", "LocalBackend"]
