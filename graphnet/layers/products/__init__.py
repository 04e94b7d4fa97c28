"""Products of the matrices and vectors in each row: each row has its own, unlike the weights of a FullyConnected."""

from graphnet.layers.products.matrix_product import MatrixProduct
from graphnet.layers.products.matrix_vector import MatrixVector
from graphnet.layers.products.outer_product import OuterProduct
from graphnet.layers.products.vector_matrix import VectorMatrix

__all__ = ["MatrixProduct", "MatrixVector", "OuterProduct", "VectorMatrix"]
