// Work shared by the threads of XLA.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "xla/ffi/api/ffi.h"

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<float[], Free>;

// Memory for `floats` floats, aligned to 64 bytes; null if there is none.
inline Memory allocate(long floats) {
  return Memory(static_cast<float*>(std::aligned_alloc(64, (floats / 16 + 1) * 64)));
}

// Calls `work(item, scratch)` for all items and waits for them. False if memory for the scratch is missing.
//
// The calling thread works too: one of the pool's threads that only waited could wait for itself. A task that
// starts when no item is left touches nothing but the state, which it owns.
template <class Work>
bool run_all(xla::ffi::ThreadPool& pool, long count, long scratch_floats, const Work& work) {
  struct State {
    std::atomic<long> next{0};
    std::atomic<bool> failed{false};
    std::mutex mutex;
    std::condition_variable all_done;
    long done = 0;
  };
  auto state = std::make_shared<State>();
  const auto run = [state, count, scratch_floats, &work] {
    Memory scratch;
    long finished = 0;
    for (long item; (item = state->next++) < count; ++finished) {
      if (!scratch) scratch = allocate(scratch_floats);
      if (scratch && !state->failed)
        work(item, scratch.get());
      else
        state->failed = true;
    }
    if (!finished) return;
    std::lock_guard<std::mutex> lock(state->mutex);
    if ((state->done += finished) == count) state->all_done.notify_all();
  };
  const long helpers = pool.num_threads() - 1;
  for (long i = 0; i < helpers && i < count - 1; ++i) pool.Schedule([run] { run(); });
  run();
  std::unique_lock<std::mutex> lock(state->mutex);
  state->all_done.wait(lock, [&] { return state->done == count; });
  return !state->failed;
}
