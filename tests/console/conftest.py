from tests.api.conftest import make_site, site

__all__ = ["make_site", "site"]
