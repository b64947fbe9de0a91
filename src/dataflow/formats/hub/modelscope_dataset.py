"""Datasets of ModelScope: ``ms:name[:config][:split]``.

ModelScope gives whole files: they are fetched once into its own cache (``MODELSCOPE_CACHE``), and
read from there as a stream.
"""

from __future__ import annotations

from dataflow.core.errors import MissingPackageError
from dataflow.formats.hub.hf_dataset import HuggingFaceReader


class ModelScopeReader(HuggingFaceReader):
    """The rows of one split of a dataset on ModelScope; see `HuggingFaceReader`.

    Raises:
        MissingPackageError: the package modelscope or datasets is not installed.
    """

    def location(self, repo: str) -> str:
        """The folder in ModelScope's cache that holds the dataset called `repo`."""
        try:
            from modelscope.hub.snapshot_download import dataset_snapshot_download
        except ImportError:
            raise MissingPackageError(
                "datasets of ModelScope need its package: pip install "
                "'dataflow-caption[modelscope]'"
            ) from None
        return str(dataset_snapshot_download(repo))
