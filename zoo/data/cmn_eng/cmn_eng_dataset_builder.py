"""The `tensorflow_datasets` builder of the corpus cmn_eng."""

import dataclasses

import tensorflow_datasets as tfds

from zoo.data import cmn_eng


class _LocalInfo(tfds.core.DatasetInfo):
    """Dataset info that asks no server: there is none for this corpus."""

    def initialize_from_bucket(self):
        pass


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builds cmn_eng from the file in the package; needs no network."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {
        "1.0.0": "The Tatoeba sentence pairs of 2026-02-13, split by meaning.",
    }

    def _info(self):
        metadata = self.get_metadata()
        return _LocalInfo(
            builder=self,
            description=metadata.description,
            citation=metadata.citation,
            features=tfds.features.FeaturesDict(
                {
                    field: tfds.features.Text()
                    for field in cmn_eng.Example._fields
                }
            ),
            homepage="https://www.manythings.org/anki/",
            license="CC-BY 2.0 FR",
            supervised_keys=("zh", "en"),
            disable_shuffling=True,  # the splits keep their order
        )

    def download_and_prepare(self, *, download_config=None, **kwargs):
        # tfds would first look for a prepared copy in its cloud bucket.
        download_config = dataclasses.replace(
            download_config or tfds.download.DownloadConfig(),
            try_download_gcs=False,
        )
        super().download_and_prepare(download_config=download_config, **kwargs)

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(split) for split in cmn_eng.SPLITS
        }

    def _generate_examples(self, split):
        for index, example in enumerate(cmn_eng.read_split(split)):
            yield index, example._asdict()
