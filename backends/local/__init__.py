"""The transformer engine: causal language models on torch and transformers, which only this package imports,
inside functions.

The path of a request, module by module:

    backend         the interface: `start` takes a model, `stream` passes the request on, returns its events
      engines       each model once in this process, whoever uses it; entries of the picker are variants of it
        loading     from a hub id, folder or adapter to the model in memory, with its template; see there
        estimates   how much memory it would need, before loading
        preparing   attention packed and verified, KV cache reserved
        variants    template, end tokens and adapter of one entry (own_template: what the model comes with)
      prompts       the request as the ids the model reads
        token_texts what each token adds to the text, for Inspect
        vision      images
      engine        one thread, many replies: the next token of each row, step after step
        rows        one reply: its tokens, its state, its listener
        attention   all rows of a step at once, each over its own keys and values
        regions     allocation of the KV cache
        prefixes    cached prefixes of earlier turns
        sampling    choosing the next token
      plain         transformers' own `generate`, for images and models that cannot be packed
      speaker       passes a row's output to its reader in another thread
        replies     tokens into events: whole characters, reasoning apart, until the reply ends
      zerogpu     the same on ZeroGPU, where each reply borrows a GPU in a process of its own
"""

from backends.local.backend import LocalBackend
from backends.local.engines import Engines

__all__ = ["Engines", "LocalBackend"]
