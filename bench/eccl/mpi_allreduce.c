/* All-reduce of float with MPI: one JSON line a size on rank 0, results checked.
 * usage: mpi_allreduce SIZE[,SIZE...] SECONDS */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int CompareDoubles(const void* a, const void* b) {
  const double x = *(const double*)a;
  const double y = *(const double*)b;
  return (x > y) - (x < y);
}

static double MedianMicroseconds(float* data, size_t count, int rank, int rounds, double* times) {
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < count; ++i) data[i] = (float)(rank + 1);
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    MPI_Allreduce(MPI_IN_PLACE, data, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    times[round] = (MPI_Wtime() - start) * 1e6;
  }
  qsort(times, (size_t)rounds, sizeof(double), CompareDoubles);
  return times[rounds / 2];
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (argc != 3) {
    fprintf(stderr, "usage: mpi_allreduce SIZE[,SIZE...] SECONDS\n");
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  const double budget = atof(argv[2]);
  enum { kMaxRounds = 1000 };
  static double times[kMaxRounds];
  for (char* word = strtok(argv[1], ","); word != NULL; word = strtok(NULL, ",")) {
    const size_t size = strtoull(word, NULL, 10);
    const size_t count = size / sizeof(float);
    float* data = malloc(size);
    if (data == NULL) MPI_Abort(MPI_COMM_WORLD, 1);
    const double warm = MedianMicroseconds(data, count, rank, 3, times);
    int rounds = (int)(budget * 1e6 / (warm > 1.0 ? warm : 1.0));
    if (rounds < 5) rounds = 5;
    if (rounds > kMaxRounds) rounds = kMaxRounds;
    /* Rank 0 decides how often, so that all ranks call equally often. */
    MPI_Bcast(&rounds, 1, MPI_INT, 0, MPI_COMM_WORLD);
    const double median = MedianMicroseconds(data, count, rank, rounds, times);
    const float expected = (float)(ranks * (ranks + 1)) / 2.0F;
    for (size_t i = 0; i < count; ++i) {
      if (data[i] != expected) {
        fprintf(stderr, "mpi: wrong sum at %zu bytes\n", size);
        MPI_Abort(MPI_COMM_WORLD, 1);
      }
    }
    if (rank == 0) {
      printf("{\"bytes\": %zu, \"median_us\": %.3f, \"rounds\": %d}\n", size, median, rounds);
      fflush(stdout);
    }
    free(data);
  }
  MPI_Finalize();
  return 0;
}
