"""The recipe for LitServe with two models, whose batches are full at four requests or never, and notes in a folder."""

import sys
from pathlib import Path

import litserve as ls
from engine_cases import ObservedModel
from litserve_app import Scoring


class Observed(Scoring):
    def __init__(self, path, folder, **batching):
        super().__init__(**batching)
        self.path, self.folder = path, Path(folder)

    def setup(self, device):
        # Devices that are not there: which one each worker would have is noted.
        (self.folder / f"device-{device.replace(':', '')}").touch()
        super().setup("cpu")
        self.model = ObservedModel(self.model, self.folder)


if __name__ == "__main__":
    model, port, other, folder, accelerator = sys.argv[1:]
    batching = {"max_batch_size": 4, "batch_timeout": 100.0}
    apis = [
        Observed(model, folder, api_path="/predict", **batching),
        Observed(other, folder, api_path="/other", **batching),
    ]
    server = ls.LitServer(apis, accelerator=accelerator, devices=2 if accelerator == "cuda" else "auto", timeout=200)
    server.run(port=int(port), generate_client_file=False)
