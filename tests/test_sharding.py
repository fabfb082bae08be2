import jax
import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.sharding import local_rows, localize, make_mesh, own_mesh, place, place_rows


@pytest.mark.parametrize(
    ("devices", "batch_size", "shape"),
    [(8, 8, (8, 1)), (8, 4, (4, 2)), (6, 4, (2, 3)), (8, 1, (1, 8)), (7, 4, (1, 7)), (8, 0, (8, 1))],
)
def test_any_number_of_devices_serves_any_batch(devices, batch_size, shape):
    mesh = make_mesh(devices, batch_size=batch_size)
    assert (mesh.shape["data"], mesh.shape["class"]) == shape


def test_a_shape_may_be_given():
    assert dict(make_mesh(8, batch_size=8, shape="2x4").shape) == {"data": 2, "class": 4}


@pytest.mark.parametrize(
    ("devices", "shape", "message"),
    [
        (8, "2x3", r"the mesh is '2x3'; it must be DATAxCLASS with a product of 8"),
        (8, "8", "the mesh is '8'"),
        (8, "axb", "the mesh is 'axb'"),
        (8, "8x1", "8 does not divide the 4 images of a batch; give 4x2"),
        (9, "", "the number of devices is 9; it must be from 1 to 8"),
        (0, "", "the number of devices is 0"),
    ],
)
def test_impossible_meshes(devices, shape, message):
    with pytest.raises(UserError, match=message):
        make_mesh(devices, batch_size=4, shape=shape)


def test_rows_and_whole_arrays():
    mesh, images = make_mesh(8, shape="2x4"), np.arange(12.0).reshape(4, 3)
    rows = local_rows(mesh, 4)
    assert rows == range(4)  # this process has all devices
    for placed in (place(images, mesh, "images"), place_rows(images, mesh, rows, 4)):
        np.testing.assert_array_equal(placed, images)
        assert {shard.data.shape for shard in placed.addressable_shards} == {(2, 3)}


def test_parameters_of_a_training_serve_an_evaluation():
    training = make_mesh(8, shape="2x4")
    params = place({"kernel": np.ones((2, 3), np.float32)}, training, "params")
    evaluation = own_mesh(training, batch_size=4)
    assert dict(evaluation.shape) == {"data": 4, "class": 2}
    local = localize(params, evaluation)["kernel"]
    assert local.sharding.mesh == evaluation
    np.testing.assert_array_equal(jax.device_get(local), params["kernel"])
