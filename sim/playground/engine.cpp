// The engine of a page: CXXRTL's C++ of the emitted Verilog, its clock, and pointers to its registers and memories.
//
// A page reserves room for frames, fills it, and grants cycles; the streams are driven here, without pauses. Words are
// 32 bits, the lowest first; a beat and a result begin at a word. Taps write every transfer of an inner stream to a log.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <cxxrtl/cxxrtl.h>

namespace cxxrtl_design {
// Popcounts whose adder trees would be too much for a page: ones are counted, which tests prove to be the same.
template <size_t In, size_t Out> struct counted {
    cxxrtl::value<In> p_i;
    cxxrtl::wire<Out> p_o;

    template <class... Unused> static std::unique_ptr<counted> create(Unused &&...) { return std::make_unique<counted>(); }
    void reset() {}
    template <class Observer> bool commit(Observer &observer) { return p_o.commit(observer); }
    template <class... Unused> bool eval(Unused &&...) {
        uint32_t ones = 0;
        for (uint32_t word : p_i.data) ones += __builtin_popcount(word);
        p_o.next.data[0] = ones;
        return true;
    }
};
#include "counted.h"
}  // namespace cxxrtl_design

#include "engine.cc"

namespace {
using cxxrtl::value;
using cxxrtl::wire;

template <size_t Bits> uint32_t *words_of(value<Bits> &v) { return v.data; }
template <size_t Bits> uint32_t *words_of(wire<Bits> &w) { return w.curr.data; }
template <class Port> bool is_high(Port &port) { return *words_of(port) != 0; }

struct Tap {
    const uint32_t *valid, *ready, *payload;
    unsigned words;
};

cxxrtl_design::p_playground top;
}  // namespace

// Generated: BEATS, BEAT_WORDS, RESULT_WORDS, CONVERGES, and the tables SIGNALS, MEMORIES and TAPS.
#include "design.h"

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace {
std::vector<uint32_t> beats, answers, times, log_words;
size_t beat, frames_sent, done;
uint32_t cycle, first;
bool begun, offered, recording;

void offer() {
    offered = beat < frames_sent * BEATS;
    top.p_s__axis__tvalid.set(offered);
    if (!offered) return;
    std::memcpy(top.p_s__axis__tdata.data, &beats[beat * BEAT_WORDS], 4 * BEAT_WORDS);
    top.p_s__axis__tlast.set(beat % BEATS == BEATS - 1);
}

void record() {
    for (unsigned k = 0; k < TAP_COUNT; ++k) {
        const Tap &tap = TAPS[k];
        if (!*tap.valid || (tap.ready && !*tap.ready)) continue;
        log_words.push_back(k);
        log_words.push_back(cycle - first);
        log_words.insert(log_words.end(), tap.payload, tap.payload + tap.words);
    }
}

// One clock cycle. What eval() computes before its commit() is what all registers see at the edge; a design whose logic
// needs several rounds is settled before. The falling edge does nothing.
void tick() {
    if (!CONVERGES) top.step();
    top.p_clk.set(true);
    top.eval();
    const bool taken = offered && is_high(top.p_s__axis__tready);
    if (taken && !begun) {
        begun = true;
        first = cycle;
    }
    if (recording) record();
    if (is_high(top.p_m__axis__tvalid) && done < frames_sent) {
        std::memcpy(&answers[done * RESULT_WORDS], words_of(top.p_m__axis__tdata), 4 * RESULT_WORDS);
        times[done++] = cycle - first;
    }
    top.commit();
    top.p_clk.set(false);
    top.prev_p_clk = top.p_clk;
    ++cycle;
    if (taken) {
        ++beat;
        offer();
    }
}
}  // namespace

EXPORT(reset) void reset() {
    frames_sent = beat = done = 0;
    offer();
    top.p_rst.set(true);
    for (int k = 0; k < 5; ++k) {
        top.p_rst.set(k < 3);
        tick();
    }
}

// Room for the beats of `n` frames.
EXPORT(frames) uint32_t *frames(uint32_t n) {
    beats.assign(size_t{n} * BEATS * BEAT_WORDS, 0);
    answers.assign(size_t{n} * RESULT_WORDS, 0);
    times.assign(n, 0);
    frames_sent = beat = done = 0;
    return beats.data();
}

// Stream them from the next cycle on.
EXPORT(begin) void begin(uint32_t n, uint32_t record_taps) {
    frames_sent = n;
    beat = done = 0;
    begun = false;
    cycle = first = 0;
    log_words.clear();
    recording = record_taps;
    offer();
}

// Run so many cycles, or until all results have come; returns how many results there are.
EXPORT(advance) uint32_t advance(uint32_t cycles) {
    for (; cycles && done < frames_sent; --cycles) tick();
    return done;
}

EXPORT(elapsed) uint32_t elapsed() { return begun ? cycle - first : 0; }
EXPORT(results) uint32_t *results() { return answers.data(); }
EXPORT(result_times) uint32_t *result_times() { return times.data(); }
EXPORT(log_at) uint32_t *log_at() { return log_words.data(); }
EXPORT(log_size) uint32_t log_size() { return log_words.size(); }
EXPORT(signal_at) uint32_t *signal_at(uint32_t k) { return SIGNALS[k]; }
EXPORT(memory_at) uint32_t *memory_at(uint32_t k) { return MEMORIES[k]; }
