"""A Python function as a model, in the convention of `gr.ChatInterface`.

    def respond(message, history):
        return f"You said {message}."

    backend = FunctionBackend(FunctionOptions(respond))

The function is sync or async, and returns the reply, yields the reply so far, or yields events of
`backends.types`. It may also take the `request`, see `backends.types.Caller`, and values
of `inputs`, in order.
"""

from backends.function.backend import FunctionBackend
from backends.function.convention import Convention
from backends.function.importing import import_function

__all__ = ["Convention", "FunctionBackend", "import_function"]
