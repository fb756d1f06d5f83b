"""What the process has imported from which tests fork the app (see `tests.app_process`)."""

from webchat.gradio_stubs import skip_gradio_stubs

skip_gradio_stubs()

import webchat.server  # noqa: E402, F401
