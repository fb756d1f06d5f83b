"""Settings: one frozen value, and the source of each part. The only code that reads the environment."""

from webchat.settings.fields import Access, Settings
from webchat.settings.load import BadSettings, Loaded, hand_on, load_settings, variable
from webchat.settings.model import ModelSettings, kind_of
from webchat.settings.models import check_models, model_specs

__all__ = [
    "Access",
    "BadSettings",
    "Loaded",
    "ModelSettings",
    "Settings",
    "check_models",
    "hand_on",
    "kind_of",
    "load_settings",
    "model_specs",
    "variable",
]
