import pytest
import torch

from stages.lib.models import save_model
from stages.tokenize.config import CodebookConfig, SavedCodebookConfig
from stages.tokenize.vq import Codebook, reduced_rank


def blobs(n: int, width: int = 12, n_blobs: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Points around well separated centres, and which centre each belongs to."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(n_blobs, width, generator=torch.Generator().manual_seed(99)) * 5
    labels = torch.randint(n_blobs, (n,), generator=generator)
    return centres[labels] + 0.1 * torch.randn(n, width, generator=generator), labels


def make(width: int = 12, n_codes: int = 8, dim: int = 4, **weights: float) -> Codebook:
    torch.manual_seed(0)
    config = SavedCodebookConfig(width=width, n_mels=5, n_codes=n_codes, codebook_dim=dim, layer=1, **weights)
    return Codebook(config)


def gaussian(n: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def fitted(codebook: Codebook, features_ND: torch.Tensor, n_rounds: int = 1) -> Codebook:
    mel_NF = gaussian(len(features_ND), 5, seed=7)
    codebook.fit_projections(features_ND, mel_NF)
    codebook.train()
    for _ in range(n_rounds):
        codebook(features_ND, mel_NF)
    return codebook.eval()


@pytest.mark.parametrize("dim", [4, 12])
def test_encode_is_the_librarys_forward(dim):
    features_ND = gaussian(500, 12)
    codebook = fitted(make(dim=dim), features_ND)
    quantized, codes, _ = codebook.vq(codebook.standardise(features_ND)[None])
    assert torch.equal(codebook.encode(features_ND), codes[0])
    torch.testing.assert_close(codebook.decode(codes[0])[0], quantized[0])


def test_codes_tell_clusters_apart():
    features_ND, labels = blobs(2000)
    codebook = fitted(make(n_codes=40, dim=7), features_ND, 20)  # eight centres span seven dimensions
    codes_N = codebook.encode(features_ND)
    for code in codes_N.unique():
        assert len(labels[codes_N == code].unique()) == 1
    assert codebook(features_ND, gaussian(2000, 5)).features < 0.1


def test_features_alone_begin_at_their_principal_components():
    features_ND = gaussian(400, 3) @ gaussian(3, 12, seed=1)
    codebook = make(dim=3)
    codebook.fit_projections(features_ND, gaussian(400, 5))
    x_ND = codebook.standardise(features_ND)
    there_and_back = codebook.vq.project_out(codebook.vq.project_in(x_ND))
    torch.testing.assert_close(there_and_back, x_ND, atol=0.02, rtol=0.02)


def test_the_mel_alone_begins_where_it_is_told():
    """Of twelve features two tell the mel: two dimensions of a code are enough, whatever else varies."""
    features_ND = gaussian(2000, 12) * torch.linspace(1, 5, 12)
    mel_NF = (features_ND[:, :2] / features_ND[:, :2].std(0)) @ gaussian(2, 5, seed=3)
    codebook = make(dim=2, feature_weight=0.0, mel_weight=1.0)
    codebook.fit_projections(features_ND, mel_NF)
    told_NF = codebook.mel_head(codebook.vq.project_out(codebook.vq.project_in(codebook.standardise(features_ND))))
    assert (told_NF - mel_NF).square().mean() < 0.02 * mel_NF.square().mean()
    blind = make(dim=2)
    blind.fit_projections(features_ND, mel_NF)
    told_NF = blind.mel_head(blind.vq.project_out(blind.vq.project_in(blind.standardise(features_ND))))
    assert (told_NF - mel_NF).square().mean() > 0.3 * mel_NF.square().mean()


def test_reduced_rank_is_the_best_of_its_rank():
    """Against the closed form: ordinary least squares, cut to its rank by SVD."""
    x_ND, y_NY = gaussian(300, 6).double(), gaussian(300, 4, seed=1).double()
    y_NY = y_NY + x_ND @ gaussian(6, 4, seed=2).double()
    x_ND, y_NY = x_ND - x_ND.mean(0), y_NY - y_NY.mean(0)
    told_NY = x_ND @ torch.linalg.lstsq(x_ND, y_NY).solution
    u, s, v = torch.linalg.svd(told_NY, full_matrices=False)
    best_NY = u[:, :2] * s[:2] @ v[:2]
    code_NE = x_ND @ reduced_rank(x_ND, y_NY, 2)
    ours_NY = code_NE @ torch.linalg.lstsq(code_NE, y_NY).solution
    ours, best = ((y - y_NY).square().sum() for y in (ours_NY, best_NY))
    assert best <= ours <= 1.001 * best


def test_weights_of_the_loss():
    codebook = make(feature_weight=2.0, mel_weight=3.0)
    features_ND, mel_NF = gaussian(200, 12), gaussian(200, 5)
    codebook.fit_projections(features_ND, mel_NF)
    losses = codebook.train()(features_ND, mel_NF)
    assert codebook.weighted(losses) == 2 * losses.features + 3 * losses.mel + losses.commitment


def test_saved_and_loaded_alike(tmp_path):
    features_ND, _ = blobs(300)
    codebook = fitted(make(), features_ND)
    save_model(codebook, tmp_path, codebook.config)
    loaded = Codebook.from_pretrained(tmp_path)
    assert loaded.config == codebook.config
    assert torch.equal(loaded.eval().encode(features_ND), codebook.encode(features_ND))


def test_the_papers_codebook():
    with torch.device("meta"):
        codebook = Codebook(SavedCodebookConfig(width=1024, n_mels=80, n_codes=16_384, codebook_dim=32, layer=14))
    assert codebook.codes_VE.shape == (16_384, 32)


@pytest.mark.parametrize(
    ("fields", "says"), [({"n_codes": 65_531}, "n_codes"), ({"feature_weight": 0}, "mel_weight"), ({"n": 1}, "n")]
)
def test_bad_configs_die_by_name(fields, says):
    with pytest.raises(ValueError, match=says):
        CodebookConfig.model_validate(fields)
