#!/usr/bin/env bash
# From a sheet to edited pictures, step by step, on the simulator: nothing is spent, nothing leaves this machine.
#   bash walkthrough.sh [FOLDER]
set -euo pipefail
work=${1:-$(mktemp -d)}
mkdir -p "$work" && cd "$work"

cat > products.csv <<'CSV'
id,title,prompt,image_urls,aspect_ratio
mug-red,Ceramic mug,"Pure white background, keep the shadow.",https://photos.example.com/mug-red.jpg,1:1
vase-teal,Stoneware vase,On an oak table.,https://photos.example.com/vase-teal.jpg,4:3
shoe-navy,Sneaker,"Blue hour, light drizzle.",https://photos.example.com/shoe-navy.jpg,16:9
CSV

echo "1. Is the sheet right? No network, nothing is sent."
runcomfy-batch check products.csv

echo "2. What would happen, and what would it cost?"
runcomfy-batch plan products.csv --simulate

echo "3. A pilot of one job, then all of it. The second command pays only for what is not done yet."
runcomfy-batch run products.csv --simulate --sample 1
runcomfy-batch run products.csv --simulate

echo "4. The same command again does nothing, and costs nothing."
runcomfy-batch run products.csv --simulate

echo "5. The files are what was recorded when they came."
runcomfy-batch verify runs/products
runcomfy-batch status runs/products

echo "The report: $PWD/runs/products/report.html"
