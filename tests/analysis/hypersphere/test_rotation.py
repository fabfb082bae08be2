import numpy as np

from hclip_jax.analysis.hypersphere.rotation import orthogonality_error, rotation_angles


def test_a_plane_rotation_has_its_angle_at_any_scale() -> None:
    angle = np.radians(30)
    block = np.eye(4)
    block[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    blocks = np.stack([block, 3 * block, np.eye(4)])
    expected = [[0, 0, 30, 30]] * 2 + [[0] * 4]
    np.testing.assert_allclose(np.sort(rotation_angles(blocks)), expected, atol=1e-6)
    np.testing.assert_allclose(orthogonality_error(blocks), [0, 8 * 2, 0], atol=1e-6)  # 3^2 - 1, four times
