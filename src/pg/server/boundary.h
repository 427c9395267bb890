// The whole boundary between C++ and the server on one page. Rules: frames of src/pg and src/worker hold no
// destructor; the core never calls the server; ereport stands after the catch has ended.
#pragma once

#include "core/base/result.h"

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "pg/server/server.h"

namespace wearables::pg {

// An error of the core, copied out of C++: plain data that may live in a frame that longjmp leaves.
struct Failure {
  int sqlstate = 0;  // 0: none
  char message[400];
};

int sqlstate_of(Code code) noexcept;
void describe(Failure& failure, int sqlstate, std::string_view message) noexcept;
[[noreturn]] void raise(const Failure& failure);

// Runs `f`, which names only core functions and returns Result<T> with T plain data. Gives T, or raises
// what went wrong as a server error with its SQLSTATE.
template <class F>
auto call_core(F&& f) {
  using T = std::remove_cvref_t<decltype(f().value())>;
  static_assert(std::is_trivially_destructible_v<T> && std::is_default_constructible_v<T>);
  static_assert(std::is_trivially_destructible_v<std::remove_cvref_t<F>>);
  T value{};
  Failure failure;
  try {
    auto result = f();
    if (result.ok()) {
      value = std::move(result).value();
    } else {
      describe(failure, sqlstate_of(result.error().code), result.error().message);
    }
  } catch (const std::bad_alloc&) {
    describe(failure, ERRCODE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    describe(failure, ERRCODE_INTERNAL_ERROR, e.what());
  } catch (...) {
    describe(failure, ERRCODE_INTERNAL_ERROR, "unknown C++ exception");
  }
  if (failure.sqlstate != 0) raise(failure);
  return value;
}

// Moves a core result that owns memory into an object that a memory context owns.
template <class T>
Result<Done> store_into(T& target, Result<T> result) {
  if (!result.ok()) return result.error();
  target = std::move(result).value();
  return Done{};
}

// A C++ object that lives as long as `context`: its destructor runs when that is reset or deleted.
template <class T, class... Args>
T* owned_by(MemoryContext context, Args&&... args) {
  static_assert(alignof(T) <= MAXIMUM_ALIGNOF);
  static_assert(std::is_nothrow_constructible_v<T, Args...>);
  auto* callback = static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
  void* place = MemoryContextAlloc(context, sizeof(T));
  T* object = ::new (place) T(std::forward<Args>(args)...);
  callback->arg = object;
  callback->func = [](void* arg) { static_cast<T*>(arg)->~T(); };
  MemoryContextRegisterResetCallback(context, callback);
  return object;
}

// For the core's StopFlag: a cancel or a termination is waiting.
bool stop_requested() noexcept;

}  // namespace wearables::pg
