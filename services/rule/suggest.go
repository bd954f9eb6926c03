package rule

import "strings"

// suggestDistance is how many letters a name may differ from another one to be taken
// for it.
const suggestDistance = 2

// suggest returns the known name that is meant by a misspelt one, or "".
func suggest(name string, known []string) string {
	best, bestDistance := "", suggestDistance+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < bestDistance && d < len(k) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance. Texts whose lengths differ by more than
// suggestDistance are not compared.
func distance(a, b string) int {
	if d := len(a) - len(b); d > suggestDistance || -d > suggestDistance {
		return suggestDistance + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			previous, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, previous+cost)
		}
	}
	return row[len(b)]
}
