import pytest
import torch

from stages.lib.models import save_model
from stages.tokenize.config import CodebookConfig, SavedCodebookConfig
from stages.tokenize.vq import Codebook


def blobs(n: int, width: int = 12, n_blobs: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Points around well separated centres, and which centre each belongs to."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(n_blobs, width, generator=torch.Generator().manual_seed(99)) * 5
    labels = torch.randint(n_blobs, (n,), generator=generator)
    return centres[labels] + 0.1 * torch.randn(n, width, generator=generator), labels


def make(width: int = 12, n_codes: int = 8, dim: int = 4) -> Codebook:
    torch.manual_seed(0)
    return Codebook(SavedCodebookConfig(width=width, n_codes=n_codes, codebook_dim=dim, layer=1))


@pytest.mark.parametrize("dim", [4, 12])
def test_encode_is_the_librarys_forward(dim):
    codebook = make(dim=dim)
    features_ND = torch.randn(500, 12, generator=torch.Generator().manual_seed(0))
    codebook.fit_projections(features_ND)
    codebook.train()(features_ND)
    codebook.eval()
    assert torch.equal(codebook.encode(features_ND), codebook(features_ND).codes_N)
    quantized, _, _ = codebook.vq(codebook.standardise(features_ND)[None])
    torch.testing.assert_close(codebook.standardise(codebook.decode(codebook.encode(features_ND))), quantized[0])


def test_codes_tell_clusters_apart():
    codebook = make(n_codes=40, dim=7)  # eight centres span seven dimensions
    features_ND, labels = blobs(2000)
    codebook.fit_projections(features_ND)
    codebook.train()
    for _ in range(20):
        codebook(features_ND)
    codes_N = codebook.eval().encode(features_ND)
    for code in codes_N.unique():
        assert len(labels[codes_N == code].unique()) == 1
    assert codebook(features_ND).reconstruction < 0.1


def test_projections_begin_at_the_principal_components():
    features_ND = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) @ torch.randn(3, 12)
    codebook = make(dim=3)
    codebook.fit_projections(features_ND)
    x_ND = codebook.standardise(features_ND)
    there_and_back = codebook.vq.project_out(codebook.vq.project_in(x_ND))
    torch.testing.assert_close(there_and_back, x_ND, atol=1e-3, rtol=1e-3)


def test_saved_and_loaded_alike(tmp_path):
    codebook = make()
    features_ND, _ = blobs(300)
    codebook.fit_projections(features_ND)
    codebook.train()(features_ND)
    save_model(codebook, tmp_path, codebook.config)
    loaded = Codebook.from_pretrained(tmp_path)
    assert loaded.config == codebook.config
    assert torch.equal(loaded.eval().encode(features_ND), codebook.eval().encode(features_ND))


def test_the_papers_codebook():
    with torch.device("meta"):
        codebook = Codebook(SavedCodebookConfig(width=1024, n_codes=16_384, codebook_dim=32, layer=14))
    assert codebook.codes_VE.shape == (16_384, 32)


def test_every_code_must_fit_uint16_beside_the_special_tokens():
    with pytest.raises(ValueError, match="n_codes"):
        CodebookConfig(n_codes=65_531)
