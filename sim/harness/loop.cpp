// An engine in a plain loop: what a simulation can reach if nothing but the engine takes time.
// Arguments: results to come, bytes of a beat, bytes of a result. Files as a stream player's.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    const size_t frames = std::atoll(argv[1]), in = std::atoll(argv[2]), out = std::atoll(argv[3]);
    std::vector<uint8_t> beats;
    std::FILE* file = std::fopen("beats.bin", "rb");
    std::vector<uint8_t> raw(in + 1);
    while (std::fread(raw.data(), 1, in + 1, file) == in + 1) {
        beats.push_back(raw[0]);
        for (size_t k = in; k; --k) beats.push_back(raw[k]);
    }
    std::fclose(file);
    const uint8_t *beat = beats.data(), *end = beat + beats.size();
    std::vector<uint8_t> results(frames * out);
    std::vector<uint64_t> times(frames);
    Vtop top;
    uint64_t cycle = 0, first = 0, waited = 0;
    auto edge = [&](bool high) {
        top.clk = high;
        top.eval();
    };
    auto offer = [&] {
        top.s_axis_tvalid = beat != end;
        if (beat == end) return;
        top.s_axis_tlast = *beat;
        std::memcpy(&top.s_axis_tdata, beat + 1, in);
        beat += in + 1;
    };
    top.m_axis_tready = 1;
    top.rst = 1;
    for (int k = 0; k < 5; ++k) {
        top.rst = k < 3;
        edge(true);
        edge(false);
    }
    const auto began = std::chrono::steady_clock::now();
    offer();
    for (size_t done = 0; done < frames && waited < 100'000'000; ++cycle, ++waited) {
        // Values before the edge, as a register sees them.
        const bool taken = top.s_axis_tvalid && top.s_axis_tready;
        if (taken && !first) first = cycle + 1;
        if (top.m_axis_tvalid) {
            std::memcpy(&results[done * out], &top.m_axis_tdata, out);
            times[done++] = cycle + 1 - first;
            waited = 0;
        }
        edge(true);
        if (taken) offer();
        edge(false);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    file = std::fopen("loop.bin", "wb");
    std::fwrite(times.data(), sizeof times[0], times.size(), file);
    std::fwrite(results.data(), 1, results.size(), file);
    std::fclose(file);
    std::printf("%.6f\n", seconds.count());
}
