// What a program written by hand for these six metrics takes: the standard library's JSON into a struct, and maps.
// Reads the log that it is given and prints the exposition.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
)

type record struct {
	Level            string  `json:"level"`
	Event            string  `json:"event"`
	Agent            string  `json:"agent"`
	Tool             string  `json:"tool_name"`
	Status           string  `json:"status"`
	LatencyS         float64 `json:"latency"`
	DurationS        float64 `json:"duration_s"`
	PromptTokens     float64 `json:"prompt_tokens"`
	CompletionTokens float64 `json:"completion_tokens"`
}

type toolCall struct{ agent, tool, status string }
type pair struct{ agent, value string }

// A histogram counts each value in the first bucket that holds it; the exposition adds them up.
type histogram struct {
	counts []int
	sum    float64
}

type histograms struct {
	name    string
	bounds  []float64
	byAgent map[string]*histogram
}

func (all *histograms) observe(agent string, value float64) {
	one := all.byAgent[agent]
	if one == nil {
		one = &histogram{counts: make([]int, len(all.bounds)+1)}
		all.byAgent[agent] = one
	}
	one.counts[sort.SearchFloat64s(all.bounds, value)]++
	one.sum += value
}

func (all *histograms) print(out *bufio.Writer) {
	for agent, one := range all.byAgent {
		total := 0
		for place, bound := range all.bounds {
			total += one.counts[place]
			fmt.Fprintf(out, "%s_bucket{agent=%q,le=\"%v\"} %d\n", all.name, agent, bound, total)
		}
		total += one.counts[len(all.bounds)]
		fmt.Fprintf(out, "%s_bucket{agent=%q,le=\"+Inf\"} %d\n", all.name, agent, total)
		fmt.Fprintf(out, "%s_sum{agent=%q} %v\n%s_count{agent=%q} %d\n", all.name, agent, one.sum, all.name, agent, total)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	lines := map[string]int{}
	tools := map[toolCall]int{}
	tokens := map[pair]float64{}
	tasks := map[pair]int{}
	bounds := []float64{.1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600}
	latency := histograms{"agent_llm_latency_seconds", bounds[:8], map[string]*histogram{}}
	duration := histograms{"agent_task_duration_seconds", bounds, map[string]*histogram{}}

	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, 1<<20), 1<<20)
	for scanner.Scan() {
		var line record
		if json.Unmarshal(scanner.Bytes(), &line) != nil {
			continue
		}
		lines[line.Level]++
		switch line.Event {
		case "tool_call":
			tools[toolCall{line.Agent, line.Tool, line.Status}]++
		case "llm_call":
			latency.observe(line.Agent, line.LatencyS)
			tokens[pair{line.Agent, "prompt"}] += line.PromptTokens
			tokens[pair{line.Agent, "completion"}] += line.CompletionTokens
		case "task_start":
			tasks[pair{line.Agent, "started"}]++
		case "task_end":
			tasks[pair{line.Agent, line.Status}]++
			duration.observe(line.Agent, line.DurationS)
		}
	}
	if err := scanner.Err(); err != nil {
		log.Fatal(err)
	}

	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for level, count := range lines {
		fmt.Fprintf(out, "log_lines_total{level=%q} %d\n", level, count)
	}
	for of, count := range tools {
		fmt.Fprintf(out, "agent_tool_calls_total{agent=%q,tool_name=%q,status=%q} %d\n", of.agent, of.tool, of.status, count)
	}
	for of, count := range tokens {
		fmt.Fprintf(out, "agent_token_usage_total{agent=%q,token_type=%q} %v\n", of.agent, of.value, count)
	}
	for of, count := range tasks {
		fmt.Fprintf(out, "agent_tasks_total{agent=%q,status=%q} %d\n", of.agent, of.value, count)
	}
	latency.print(out)
	duration.print(out)
}
