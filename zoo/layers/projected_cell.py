"""What cells whose output can be narrower than their cell state share."""

from zoo.layers.kernels import add_kernel
from zoo.layers.recurrent_cell import RecurrentCell
from zoo.layers.recurrent_cell import check_units


class ProjectedCell(RecurrentCell):
    """Base class of cells with the states `[h, c]` and a projection of `h`.

    A subclass calls `add_projection` at the end of its `build`.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        projection: Width of the output, or `None` for `units`.
        **kwargs: Further arguments of `zoo.layers.RecurrentCell`.

    Raises:
        ValueError: If `units` or `projection` is no positive integer, and as
            `zoo.layers.RecurrentCell`.
    """

    states = 2

    def __init__(self, units, projection=None, **kwargs):
        if projection is not None:
            check_units(projection, "projection")
        super().__init__(units, **kwargs)
        self.projection = projection
        self.projection_kernel = None

    @property
    def output_size(self):
        return self.projection or self.units

    @property
    def state_size(self):
        return [self.output_size, self.units]

    def add_projection(self):
        """Adds `projection_kernel`, `(units, projection)`, if there is one."""
        if self.projection is not None:
            self.projection_kernel = add_kernel(
                self, "projection_kernel", (self.units, self.projection)
            )

    def get_config(self):
        return {**super().get_config(), "projection": self.projection}
