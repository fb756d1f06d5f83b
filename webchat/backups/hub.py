"""Snapshots in a private dataset repository of the Hugging Face Hub. Each is one commit, so none is half
there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from webchat.backups.errors import Unreachable
from webchat.backups.places import folder_for

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class Repository:
    """name: OWNER/NAME. token: may write it; the library's own by default."""

    def __init__(self, name: str, server: str, token: str | None) -> None:
        self._name = name
        self._folder = folder_for(server)
        self._token = token
        self.shown = f"hf://datasets/{name}/{self._folder}"

    def names(self) -> Sequence[str]:
        return [path.rpartition("/")[2] for path in self._paths(self._folder)]

    def others(self) -> Sequence[str]:
        return sorted(name for name in self._paths(None) if name != self._folder and "." not in name[-8:])

    def _paths(self, folder: str | None) -> list[str]:
        from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

        with self._api() as api:
            try:
                info = api.repo_info(self._name, repo_type="dataset")
                if not info.private:
                    raise Unreachable(
                        f"The dataset repository {self._name} is public: everybody could read the snapshots.",
                        cure="Make it private, or use another.",
                    )
                tree = api.list_repo_tree(self._name, folder, repo_type="dataset")
                return [entry.path for entry in tree]
            except RepositoryNotFoundError as error:
                if error.response is not None and error.response.status_code == 401:
                    raise
                # The Hub also says this of a repository that the token may not see. Nobody begins without its
                # snapshots by mistake: what may be made is not there.
                api.create_repo(self._name, repo_type="dataset", private=True)
                return []
            except EntryNotFoundError:
                return []

    def put(self, source: Path, name: str) -> None:
        with self._api() as api:
            api.create_repo(self._name, repo_type="dataset", private=True, exist_ok=True)
            api.upload_file(
                path_or_fileobj=str(source),
                path_in_repo=f"{self._folder}/{name}",
                repo_id=self._name,
                repo_type="dataset",
                commit_message=f"Add {name}",
            )

    def fetch(self, name: str, target: Path) -> None:
        with self._api() as api, TemporaryDirectory(dir=target.parent) as folder:
            path = api.hf_hub_download(
                self._name, f"{self._folder}/{name}", repo_type="dataset", local_dir=folder
            )
            Path(path).replace(target)

    def remove(self, names: Sequence[str]) -> None:
        from huggingface_hub import CommitOperationDelete

        with self._api() as api:
            api.create_commit(
                self._name,
                [CommitOperationDelete(f"{self._folder}/{name}") for name in names],
                commit_message=f"Remove {len(names)} old snapshots",
                repo_type="dataset",
            )

    @contextmanager
    def _api(self) -> Iterator[HfApi]:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils.tqdm import (
            are_progress_bars_disabled,
            disable_progress_bars,
            enable_progress_bars,
        )

        silent = are_progress_bars_disabled()
        disable_progress_bars()  # in a log they are noise

        try:
            yield HfApi(token=self._token)
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            cure = "Check HF_TOKEN." if status in (401, 403, 404) else "It is tried again."
            raise Unreachable(f"The Hub refused {self.shown} (status {status}).", cure=cure) from error
        except Unreachable:
            raise
        except Exception as error:  # of the library's transport, which is another one in each version
            raise Unreachable(
                f"The Hub cannot be reached for {self.shown} ({type(error).__name__}).",
                cure="It is tried again.",
            ) from error
        finally:
            if not silent:
                enable_progress_bars()
