"""The adapters inside the real packages, where these are installed."""

import numpy as np
import pytest
from PIL import Image

from corruptions import corrupt


class TestTorchvision:
    @pytest.fixture(autouse=True)
    def _needs_torchvision(self):
        pytest.importorskip("torchvision", minversion="0.21")

    def test_every_kind_of_image_comes_back_as_itself(self, noise_image):
        import torch
        from torchvision import tv_tensors

        from corruptions.torchvision import Corrupt

        tensor = torch.from_numpy(noise_image).permute(2, 0, 1)
        for given in (Image.fromarray(noise_image), tensor, tv_tensors.Image(tensor)):
            torch.manual_seed(3)
            seed = int(torch.randint(2**31, ()))
            torch.manual_seed(3)
            result = Corrupt("gaussian_noise", severity=3)(given)
            assert type(result) is type(given)
            pixels = np.asarray(result)
            pixels = pixels if isinstance(given, Image.Image) else pixels.transpose(1, 2, 0)
            assert np.array_equal(pixels, corrupt(noise_image, "gaussian_noise", 3, seed))

    def test_boxes_and_labels_pass_through_a_pipeline(self, noise_image):
        import torch
        from torchvision import tv_tensors
        from torchvision.transforms import v2

        from corruptions.torchvision import Corrupt

        boxes = tv_tensors.BoundingBoxes([[1, 2, 30, 30]], format="XYXY", canvas_size=noise_image.shape[:2])
        pipeline = v2.Compose([Corrupt("contrast", 2), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
        result, (found, label) = pipeline(Image.fromarray(noise_image), (boxes, 7))
        assert torch.equal(found, boxes)
        assert label == 7
        expected = corrupt(noise_image, "contrast", 2) / 255
        assert np.allclose(result.permute(1, 2, 0).numpy(), expected, atol=1e-6)


class TestAlbumentations:
    @pytest.fixture(autouse=True)
    def _needs_albumentations(self):
        pytest.importorskip("albumentations", minversion="2.0")

    def test_a_seeded_pipeline_repeats_itself(self, noise_image):
        import albumentations

        from corruptions.albumentations import Corrupt

        def run(seed):
            pipeline = albumentations.Compose([Corrupt("shot_noise", 3)], seed=seed)
            return [pipeline(image=noise_image)["image"] for _ in range(2)]

        first, second = run(5)
        assert not np.array_equal(first, second)
        assert np.array_equal([first, second], run(5))
        assert not np.array_equal(first, run(6)[0])

    def test_masks_stay_and_the_image_is_ours(self, noise_image):
        import albumentations

        from corruptions.albumentations import Corrupt

        mask = noise_image[:, :, 0] > 100
        transform = Corrupt("fog", 2, params={"strength": 1.0})
        result = albumentations.ReplayCompose([transform])(image=noise_image, mask=mask.astype(np.uint8))
        seed = result["replay"]["transforms"][0]["params"]["seed"]
        assert np.array_equal(result["mask"], mask)
        expected = corrupt(noise_image, "fog", 2, seed, params={"strength": 1.0})
        assert np.array_equal(result["image"], expected)

    def test_it_is_rebuilt_from_what_it_says_of_itself(self):
        import albumentations

        from corruptions.albumentations import Corrupt

        written = albumentations.to_dict(Corrupt("fog", 2.5, p=0.5))
        rebuilt = albumentations.from_dict(written)
        assert (rebuilt.name, rebuilt.severity, rebuilt.p) == ("fog", 2.5, 0.5)
