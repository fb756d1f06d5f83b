"""GGUF models in this process, through llama.cpp (the wheel `xllamacpp`): the fast path on a CPU.

The engine is llama.cpp's own server object, called in process: it batches what its slots decode, keeps the
prefix of each slot and knows the chat templates. What we add: events, errors, and stopping. Three facts
shape this package:

- The engine looks at a request only between two batches, so prompts are read in small batches, and a request
  is given to it only when a slot is free: inside its own queue nothing could be stopped.
- It also opens a port on the loopback interface, which cannot be switched off; a random key nobody knows
  closes it.
- By default its threads spin while they wait, which starves the web server beside it: they sleep here, and
  one core is left to the rest (`engine_threads`).

`demo` is the embedded demo model; `gguf` reads the files' headers and converts them to half precision.
"""

from backends.llamacpp.backend import LlamaCppBackend
from backends.llamacpp.servers import Servers

__all__ = ["LlamaCppBackend", "Servers"]
