from tests.api.conftest import make_site

__all__ = ["make_site"]
